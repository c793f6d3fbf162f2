"""What a trained run gives to other programs: its model as files, and the codes of images."""
