"""What several studies use: networks with their images, found or trained once."""
