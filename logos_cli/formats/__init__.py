"""Native files: one module per family, recognised by content, read into objects and written from them."""
