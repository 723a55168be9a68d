"""Components of DigitalOcean: App Platform and what surrounds it, and a droplet."""
