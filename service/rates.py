"""How often something may happen: a token bucket."""


class Bucket:
    """Lets so many pass at once, and so many a second in the long run.

    Args:
        rate: passes per second.
        capacity: passes that may come at once after a pause, at least 1.
    """

    def __init__(self, rate: float, capacity: float) -> None:
        self._rate, self._capacity = rate, capacity
        self._left, self._counted_s = capacity, 0.0

    def take(self, now_s: float) -> float:
        """Pass once, by the time now on the monotonic clock; 0 if that is granted, else how many seconds too early."""
        self._left = min(self._capacity, self._left + (now_s - self._counted_s) * self._rate)
        self._counted_s = now_s
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0.0
