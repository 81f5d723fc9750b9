"""Many images on many machines, through Apache Beam."""
