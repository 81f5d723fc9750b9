"""What is in a folder of images, without TensorFlow: files, sizes, layouts."""
