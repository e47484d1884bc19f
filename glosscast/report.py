"""`report.json`: the measured quality of a bundle."""

from pydantic import Field

from glosscast.manifest import Part


class GlossReport(Part):
    """The figures of one gloss.

    Attributes:
        signers: how many signers the model learned it from.
        accuracy: share recognised on signers left out of training, or None where that was not measured.
        clips: number of clips behind that figure.
    """

    signers: int = Field(ge=0)
    accuracy: float | None = Field(default=None, ge=0, le=1)
    clips: int = Field(default=0, ge=0)


class ConfusablePair(Part):
    """Two glosses that the model tends to take for each other; similarity 0..1."""

    glosses: tuple[str, str]
    similarity: float = Field(ge=0, le=1)


class PrecisionReport(Part):
    """The accuracy of a bundle of lower precision on unseen signers, against the fp32 bundle that it was made from.

    Attributes:
        provider: the execution provider it was measured on.
        calibrated: windows of training clips that int8 took its scales from; 0 for bf16.
        clips: how many were read.
        signers: whose they are.
        accuracy_fp32: share read rightly by the fp32 bundle.
        accuracy: share read rightly by this one.
        agreement: share that both read alike.
    """

    provider: str
    calibrated: int = Field(ge=0)
    clips: int = Field(gt=0)
    signers: tuple[str, ...]
    accuracy_fp32: float = Field(ge=0, le=1)
    accuracy: float = Field(ge=0, le=1)
    agreement: float = Field(ge=0, le=1)


class Report(Part):
    """`report.json`: the measured quality of the bundle; `precision` is given where the bundle is not fp32."""

    metrics: dict[str, float]
    glosses: dict[str, GlossReport]
    confusable: tuple[ConfusablePair, ...]
    precision: PrecisionReport | None = None

    def confusable_with(self, gloss: str) -> list[str]:
        """Glosses easily taken for this one, the most similar first."""
        pairs = sorted((p for p in self.confusable if gloss in p.glosses), key=lambda p: -p.similarity)
        return [other for pair in pairs for other in pair.glosses if other != gloss]
