package ecbsr.demo.core

/** An operation fails; [message] is one sentence that the app shows to the user. */
class UserFacingException(override val message: String, cause: Throwable? = null) : Exception(message, cause)
