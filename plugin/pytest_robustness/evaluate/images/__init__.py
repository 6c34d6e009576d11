"""A suite's images: found, decoded, preprocessed, selected."""
