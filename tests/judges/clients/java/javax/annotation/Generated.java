package javax.annotation;

/** Part of the JDK until Java 10; the generated client still names it. */
public @interface Generated {
  String[] value();

  String comments() default "";
}
