"""The Engine.IO layer over real sockets."""
