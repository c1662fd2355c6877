"""What a session may have done with its text: values in, values out, nothing else touched.

Everything here follows rules and word lists, which are English. No model is loaded.
"""
