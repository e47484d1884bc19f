"""What a trained model is worth: its scores, calibration and rejection on signers that it has not seen."""
