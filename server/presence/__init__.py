"""Who is online, sent to those who may know."""
