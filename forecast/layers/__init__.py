"""What stock Keras layers cannot say."""
