# find_package(ZeroMQ) gives the targets libzmq and libzmq-static, whichever of them is installed, and the variables
# ZeroMQ_INCLUDE_DIR, ZeroMQ_LIBRARY and ZeroMQ_STATIC_LIBRARY. The files are looked for from here up, so that an
# installation may be moved.

get_filename_component(_zeromq_cmake "${CMAKE_CURRENT_LIST_DIR}" REALPATH)
get_filename_component(_zeromq_lib "${_zeromq_cmake}/../.." REALPATH)
unset(ZeroMQ_INCLUDE_DIR)
unset(ZeroMQ_LIBRARY)
unset(ZeroMQ_STATIC_LIBRARY)
# This file lies in lib/cmake/ZeroMQ, lib/<architecture>/cmake/ZeroMQ, share/cmake/ZeroMQ or, with vcpkg, share/zeromq.
foreach(_zeromq_up "../../../.." "../../.." "../..")
  get_filename_component(_zeromq_root "${_zeromq_cmake}/${_zeromq_up}" REALPATH)
  if(EXISTS "${_zeromq_root}/include/zmq.h")
    set(ZeroMQ_INCLUDE_DIR "${_zeromq_root}/include")
    foreach(_zeromq_folder "${_zeromq_lib}" "${_zeromq_root}/lib" "${_zeromq_root}/lib64"
                           "${_zeromq_root}/lib/${CMAKE_LIBRARY_ARCHITECTURE}")
      if(NOT ZeroMQ_LIBRARY AND EXISTS "${_zeromq_folder}/libzmq.so")
        set(ZeroMQ_LIBRARY "${_zeromq_folder}/libzmq.so")
      endif()
      if(NOT ZeroMQ_STATIC_LIBRARY AND EXISTS "${_zeromq_folder}/libzmq.a")
        set(ZeroMQ_STATIC_LIBRARY "${_zeromq_folder}/libzmq.a")
      endif()
    endforeach()
  endif()
endforeach()

# Sets ZeroMQ_DEFINITIONS; there only where the draft interface was asked for at installation.
set(ZeroMQ_DEFINITIONS)
include("${CMAKE_CURRENT_LIST_DIR}/ZeroMQDrafts.cmake" OPTIONAL)

if(ZeroMQ_LIBRARY AND NOT TARGET libzmq)
  add_library(libzmq SHARED IMPORTED)
  set_target_properties(
    libzmq
    PROPERTIES IMPORTED_LOCATION "${ZeroMQ_LIBRARY}"
               IMPORTED_SONAME libzmq.so.5
               INTERFACE_INCLUDE_DIRECTORIES "${ZeroMQ_INCLUDE_DIR}"
               INTERFACE_COMPILE_DEFINITIONS "${ZeroMQ_DEFINITIONS}")
endif()

if(ZeroMQ_STATIC_LIBRARY AND NOT TARGET libzmq-static)
  add_library(libzmq-static STATIC IMPORTED)
  set_target_properties(
    libzmq-static
    PROPERTIES IMPORTED_LOCATION "${ZeroMQ_STATIC_LIBRARY}"
               INTERFACE_INCLUDE_DIRECTORIES "${ZeroMQ_INCLUDE_DIR}"
               INTERFACE_COMPILE_DEFINITIONS "ZMQ_STATIC;${ZeroMQ_DEFINITIONS}"
               INTERFACE_LINK_LIBRARIES "pthread;dl;m")
endif()

if(ZeroMQ_INCLUDE_DIR AND (TARGET libzmq OR TARGET libzmq-static))
  set(ZeroMQ_FOUND TRUE)
else()
  set(ZeroMQ_FOUND FALSE)
  set(ZeroMQ_NOT_FOUND_MESSAGE "zmq.h and libzmq.so or libzmq.a are not where this package was installed")
endif()
