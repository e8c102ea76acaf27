"""The push services: Apple's and Google's, each spoken to directly."""
