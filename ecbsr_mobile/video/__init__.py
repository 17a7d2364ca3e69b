"""Clips: upscaled from file to file, and compared frame by frame, with PyAV (the extra `video`).

`probe` says what a clip is, `demux` reads its packets, `decode` its frames, `planes` their samples, `network` and
`chroma` enlarge them, `upscaler` joins both, `encode` and `copying` write, and `pipeline` runs it all. `scores`
compares two clips.
"""
