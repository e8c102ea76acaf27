"""What travels: commands, answers, events, and the codec that reads and writes them."""
