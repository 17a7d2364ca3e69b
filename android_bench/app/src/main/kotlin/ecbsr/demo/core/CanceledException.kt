package ecbsr.demo.core

/** The user cancels a [Job]. */
class CanceledException : Exception("Canceled.")
