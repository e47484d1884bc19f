"""What commands tell the shell."""

SOME_FAILED = 1  # some clips could not be used; the others were
UNUSABLE = 2  # nothing that was given could be used
INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended: 128 + SIGINT
NOBODY_READS = 141  # likewise where nobody reads its output any more: 128 + SIGPIPE
