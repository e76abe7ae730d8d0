"""Files that contacts send: kept by content, and read to what a model can use. Whatever is dangerous runs apart."""
