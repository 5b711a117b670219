"""Image files as pixels, without torch, so that a process that decodes them starts fast and stays small."""
