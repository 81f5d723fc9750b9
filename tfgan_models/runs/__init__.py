"""Where models live: folders of trainings, their checkpoints and files."""
