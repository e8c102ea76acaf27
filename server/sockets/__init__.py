"""The Socket.IO gateway: namespaces, admission, dispatch, rooms."""
