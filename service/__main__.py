"""`python -m service`: start the web service with the settings of the environment, or make an API key for it."""

import os
import sys

from service.access import commands
from service.observe import logs
from service.server import server
from service.settings import WRONG_SETTING, SettingsError, StartError, load_settings


def main() -> int:
    """Run until a signal ends it, or do what the command line says."""
    arguments = commands.parser().parse_args()
    if arguments.command == "keys":
        return commands.add(arguments, dict(os.environ))
    try:
        settings = load_settings()
        logs.set_up(settings.log)
        server(settings).run()
    except (SettingsError, StartError) as error:
        print(error, file=sys.stderr)
        return WRONG_SETTING
    except KeyboardInterrupt:  # uvicorn has ended in order and raises the signal again
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
