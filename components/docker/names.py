"""Names that the containers of a host agree on, and who operates them has to know."""

APP = "app"
"""Name of all containers of the app on their networks, whatever they run. A release's
own name begins so."""

CLIENT = "/srv/client"
"""Where the proxy has the client's files."""
