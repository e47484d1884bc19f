"""The `[augmentation]` table of a training config."""

from pydantic import Field

from training.config.table import Table


class AugmentationConfig(Table):
    """The `[augmentation]` table. Distances in shoulder widths, each range drawn uniformly per clip."""

    speed: float = Field(ge=0, description="time is stretched by up to exp(+-speed)")
    start_ms: float = Field(ge=0, description="the window starts up to this much before or after the clip does")
    crop: float = Field(ge=0, le=1, description="chance that only part of the clip, half of it or more, is there")
    brisk: float = Field(
        default=0.0, ge=0, le=1, description="chance that the clip's sign is made short, between two rests of the hands"
    )
    mirror: float = Field(ge=0, le=1, description="chance of swapping left and right")
    rotation: float = Field(ge=0, description="degrees, in the image plane")
    scale: float = Field(ge=0, description="size, up to exp(+-scale)")
    aspect: float = Field(ge=0, description="width against height, up to exp(+-aspect): frame shapes are unknown")
    shear: float = Field(ge=0, description="sideways lean for each unit of height")
    shift: float = Field(ge=0)
    hand_shift: float = Field(ge=0, description="moves each hand against the body: signers differ in where they sign")
    hand_scale: float = Field(ge=0, description="hand size, up to exp(+-hand_scale)")
    noise: float = Field(ge=0, description="standard deviation of each coordinate, every frame anew")
    drop_hand: float = Field(ge=0, le=1, description="chance that a hand is lost, for part of the clip or all of it")
    drop_frames: float = Field(ge=0, le=1, description="chance of a frame without any hand")
    drop_face: float = Field(ge=0, le=1, description="chance that the face is missing from the whole clip")
    drop_elbows: float = Field(
        default=0.0, ge=0, le=1, description="chance that both elbows are out of view, as they are at many a webcam"
    )
    presence: float = Field(
        default=0.0, ge=0, description="confidence of the body's points, raised to a power of up to exp(+-presence)"
    )
    narrow: float = Field(
        default=0.0, ge=0, le=1, description="chance of a narrow picture, in which hands far to the side are lost"
    )
    frame_scale: float = Field(default=0.15, ge=0, description="size of the pictures, up to exp(+-frame_scale)")
    frame_shift: float = Field(default=0.1, ge=0, description="sideways, up and down, as a share of the picture's side")
    frame_rotation: float = Field(default=8.0, ge=0, description="degrees")
    brightness: float = Field(default=0.25, ge=0, lt=1, description="of the pictures, up to 1 +- brightness")
    contrast: float = Field(default=0.25, ge=0, lt=1, description="likewise, about the picture's mean")
    saturation: float = Field(default=0.25, ge=0, lt=1, description="likewise, about each pixel's grey")
