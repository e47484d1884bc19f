"""Rate limits: a token bucket."""


class Bucket:
    """A token bucket: allows bursts up to `capacity`, and `rate` a second in the long run.

    Args:
        rate: tokens added per second.
        capacity: tokens that the bucket holds, at least 1.
    """

    def __init__(self, rate: float, capacity: float) -> None:
        self._rate = rate
        self._capacity = capacity
        self._left = capacity
        self._counted_s = 0.0

    def take(self, now_s: float) -> float:
        """Take a token, by the monotonic clock's time; 0 if there was one, else the seconds until there is one."""
        self._left = min(self._capacity, self._left + (now_s - self._counted_s) * self._rate)
        self._counted_s = now_s
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0.0
