"""What systems have in common to which a sentence is one object: pictures in and out, windows, options, `Segmenter`."""
