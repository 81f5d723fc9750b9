"""Many images on many machines, with Apache Beam."""
