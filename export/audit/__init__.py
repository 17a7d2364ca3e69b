"""Which operators of a `.tflite` file each delegate supports, and why not the others.

`model_audit.audit` audits one file, `batch.audit_all` several.
"""
