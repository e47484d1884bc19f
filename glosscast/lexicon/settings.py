"""The numbers by which a bundle reads taught signs; part of its manifest."""

from pydantic import BaseModel, ConfigDict, Field


class LexiconSettings(BaseModel):
    """The calibration of taught signs, found on signers and glosses that the model had not seen; see decision 0035."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    margin: float = Field(
        ge=-1,
        le=1,
        description="similarity to a taught sign from which it is likelier than any sign that is not taught",
    )
    temperature: float = Field(gt=0, description="how fast its odds change with similarity: e-fold for each such step")
    caution: float = Field(
        default=1.0, gt=0, description='exponent of the probability of "no sign", which taught signs share in'
    )
    typical: float = Field(
        ge=-1, le=1, description="median similarity of a clip to one example of the same sign by the same signer"
    )
    crowd: float = Field(
        default=0.0,
        ge=0,
        description="how much the odds of each sign fall as signs are added, an exponent of their number",
    )
