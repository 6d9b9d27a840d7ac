# As much of Homebrew as the formula's class and its install need. PREFIX is where it installs; RELEASE and TOOL take the place of a build.

class Formula
  %i[desc homepage url sha256 license keg_only depends_on].each do |word|
    define_singleton_method(word) { |*| }
  end

  def self.test
  end

  def prefix
    ENV.fetch("PREFIX")
  end

  def system(*command)
    return if command == %w[make build]

    Kernel.system(*command, exception: true)
  end
end
