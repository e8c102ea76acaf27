"""What a TCP connection may ask of the HTTP server before there is a request to speak of."""
