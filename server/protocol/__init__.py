"""Packets and frames of Socket.IO and Engine.IO, as bytes."""
