"""What a method means: the tables of methods and units, the plan of a run, and the model that it builds.

Only `nmtr_tf.methods.model` needs TensorFlow: commands refuse what does not fit before it is loaded.
"""
