"""The `[augmentation]` table of a training config."""

from pydantic import Field

from training.config.table import Table


class AugmentationConfig(Table):
    """The `[augmentation]` table. Distances in shoulder widths, each range drawn uniformly per clip."""

    speed: float = Field(ge=0, description="time is stretched by up to exp(+-speed)")
    start_ms: float = Field(ge=0, description="the window starts up to this much before or after the clip does")
    crop: float = Field(ge=0, le=1, description="chance that only part of the clip, half of it or more, is there")
    brisk: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="chance that the sign of a clip without pictures is made short, between two rests",
    )
    mirror: float = Field(ge=0, le=1, description="chance of swapping left and right")
    rotation: float = Field(ge=0, description="the clip is turned by up to this many degrees in the image plane")
    scale: float = Field(ge=0, description="the size is multiplied by up to exp(+-scale)")
    aspect: float = Field(
        ge=0, description="width against height is multiplied by up to exp(+-aspect), since frame shapes are unknown"
    )
    shear: float = Field(ge=0, description="sideways lean for each unit of height")
    shift: float = Field(ge=0, description="the whole signer is moved sideways, up and down by up to this much")
    hand_shift: float = Field(ge=0, description="moves each hand against the body: signers differ in where they sign")
    hand_scale: float = Field(ge=0, description="the size of each hand is multiplied by up to exp(+-hand_scale)")
    noise: float = Field(
        ge=0, description="standard deviation of the noise on each coordinate, drawn anew for every frame"
    )
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
    frame_scale: float = Field(
        default=0.15, ge=0, description="the size of the pictures is multiplied by up to exp(+-frame_scale)"
    )
    frame_shift: float = Field(
        default=0.1, ge=0, description="pictures are moved sideways, up and down by up to this share of their side"
    )
    frame_rotation: float = Field(default=8.0, ge=0, description="pictures are turned by up to this many degrees")
    brightness: float = Field(
        default=0.25, ge=0, lt=1, description="the brightness of pictures is multiplied by up to 1 +- brightness"
    )
    contrast: float = Field(
        default=0.25, ge=0, lt=1, description="the contrast about a picture's mean is multiplied by up to 1 +- contrast"
    )
    saturation: float = Field(
        default=0.25,
        ge=0,
        lt=1,
        description="the saturation about each pixel's grey is multiplied by up to 1 +- saturation",
    )
