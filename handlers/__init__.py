"""One async function per command: load through the actor, decide, commit, publish."""
