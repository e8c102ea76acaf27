"""Who is there, told to those who may know."""
