"""Work on a PostgreSQL database that needs nothing but its address."""
