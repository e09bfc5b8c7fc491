//! Topics, groups and partitions on Kafka.
