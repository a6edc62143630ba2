"""Tests of the guides in docs/, each of which is followed as it is written."""
