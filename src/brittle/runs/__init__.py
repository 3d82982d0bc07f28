"""What a command leaves on disk: where it may write, who may write there, and from what it goes on."""
