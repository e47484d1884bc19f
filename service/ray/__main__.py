"""`python -m service.ray`: start the service on Ray Serve."""

import sys

from service.ray.app import main

if __name__ == "__main__":
    sys.exit(main())
