"""The version of blocksieve; shards say which one wrote them."""

VERSION = "0.2.0"
