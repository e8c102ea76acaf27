"""The processes that decode images, and what a network may have of them."""
