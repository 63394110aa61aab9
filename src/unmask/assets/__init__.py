"""Files in the package: `astronaut.jpg`, NASA's portrait of Eileen Collins (public domain)."""
