"""The base of all tables of a training config."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of a config file: it cannot be changed, unknown keys are refused, and numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
