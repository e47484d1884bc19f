"""Reading of connected signing: from the keypoints of a stream to the glosses of utterances."""
