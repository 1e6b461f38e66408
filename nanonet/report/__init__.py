"""The one page of every run: figures, tables and the images with the result drawn over them."""
