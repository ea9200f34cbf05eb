"""From the pixels that a camera gives to what a network was trained on: size, then numbers."""
