"""The networks that make features of images, and where their weights come from."""
