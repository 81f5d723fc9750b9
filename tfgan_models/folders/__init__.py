"""What a folder of images holds, without TensorFlow: files, sizes, layouts."""
