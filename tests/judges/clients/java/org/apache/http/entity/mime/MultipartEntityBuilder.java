package org.apache.http.entity.mime;

/** Imported by every generated API, and used by none of ours: no operation takes a form of several parts. */
public final class MultipartEntityBuilder {}
